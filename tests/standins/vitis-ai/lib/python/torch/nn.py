"""torch.nn.Module of the stand-in."""


class Module:
    def __init__(self):
        pass

    def eval(self):
        return self

    def __call__(self, *given):
        return self.forward(*given)
