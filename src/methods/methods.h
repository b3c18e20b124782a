/* methods.h - every method there is, and the settings of GOPro that others need to see.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_METHODS_H
#define GP_METHODS_H

#include "methods/method.h"
#include "prompts/prompts.h"

extern const gp_method gp_method_zeroshot;
extern const gp_method gp_method_gopro;

/* x /= max(||x||, 1e-12) */
void gp_unit(gp_real *x, const gp_kernels *k, size_t n);

/* The settings of feature rescaling in a run. */
gp_frg_config gp_gopro_frg(const gp_setup *s);

#endif
