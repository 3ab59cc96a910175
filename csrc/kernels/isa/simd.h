// The vector type `Simd` of the instruction set that is being compiled for: what has been included
// before, or else the scalar one, so that every .inl can be read by itself.
#pragma once

#ifndef PARROTLET_SIMD
#include "kernels/isa/simd_scalar.h"
#endif
