"""The C code for CPUs, the library that is made of it, and the functions that call it."""
