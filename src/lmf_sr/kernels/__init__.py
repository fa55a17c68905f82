"""What is compiled for CPUs, in C, and the library made of it."""
