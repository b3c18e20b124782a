/* fast.h - the tables that the sources in this folder fill, once per instruction set (GPK_ISA), float only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_KERNELS_FAST_H
#define GP_KERNELS_FAST_H

#include "kernels/bf16.h"
#include "kernels/kernels.h"

#ifndef GP_REAL_IS_DOUBLE
extern const gp_kernels gp_kernels_avx2, gp_kernels_avx512, gp_kernels_avx512_bf16;
extern const gp_bf16_ops gp_bf16_avx2, gp_bf16_avx512, gp_bf16_avx512_bf16;
#endif

#endif
