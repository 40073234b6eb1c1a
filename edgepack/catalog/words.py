"""Words that stand in several places, and must be the same in all of them."""

BY_CONTRACT = "by contract only"
"""Of what data sheets and manuals say, and nobody has seen yet."""
