"""Other runtimes to measure beside parrotlet, each in a process and an environment of its own."""
