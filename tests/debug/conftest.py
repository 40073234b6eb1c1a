from tests.box.fixtures import box_state, endpoint, no_user_settings

__all__ = ["box_state", "endpoint", "no_user_settings"]
