"""Numerical kernels of assimilation, numpy and scipy only: methods and builders stand on them."""
