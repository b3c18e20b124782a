/* step_case_kinds.c - the methods that parity cases exist for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case_kinds.h"

const gp_case_kind *const gp_case_kinds[] = {
    &gp_case_zeroshot, &gp_case_slip, &gp_case_coop, &gp_case_cocoop, &gp_case_maple, &gp_case_stylip, &gp_case_gopro_paper, &gp_case_gopro,
};
const size_t gp_n_case_kinds = GP_COUNT(gp_case_kinds);
