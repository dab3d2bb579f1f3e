"""Structure: the few directions that a prediction rests on."""

from gnomon.structure.kernel_machine import KernelMachine
from gnomon.structure.recursive_feature_machine import RecursiveFeatureMachine, Round

__all__ = ["KernelMachine", "RecursiveFeatureMachine", "Round"]
