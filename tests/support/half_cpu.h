/* half_cpu.h - where tests compute in bf16 on a processor without such products.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEST_HALF_CPU_H
#define GP_TEST_HALF_CPU_H

#include "kernels/gemm.h"

/* What to ask gp_compute_create for: NULL where this processor multiplies in bf16, else "ref", whose plain loops round as it would. */
static inline const char *half_cpu(void)
{
    const gp_real w[256] = {0};
    gp_compute *c = NULL;
    gp_mat *m = NULL;
    const bool has =
        gp_compute_create(&c, 1, NULL, NULL) == GOPRO_OK && gp_mat_create(&m, c, w, 16, 16, GP_BF16, GP_MAT_FWD, NULL) == GOPRO_OK;
    gp_mat_free(&m);
    gp_compute_free(&c);
    return has ? NULL : "ref";
}

#endif
