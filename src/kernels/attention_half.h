/* attention_half.h - the kernels attention_fwd_half and attention_bwd_half of every table, made of its kernels for reals.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ATTENTION_HALF_H
#define GP_ATTENTION_HALF_H

#include "kernels/kernels.h"

void gp_attn_half_fwd(void (*fwd)(const gp_attn *a, gp_real *scratch), const gp_attn *a, gp_real *scratch);
void gp_attn_half_bwd(void (*bwd)(const gp_attn *a, const gp_attn_grad *g, gp_real *scratch), const gp_attn *a, const gp_attn_grad *g,
                      gp_real *scratch);

#endif
