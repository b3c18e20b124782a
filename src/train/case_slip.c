/* case_slip.c - parity cases of the SLIP adaptation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case_kinds.h"

static const gp_case_option option[] = {
    {"clip_loss", "slip.clip_loss", NULL},
    {"mlp_dim", "slip.mlp_dim", "64"},
    {"alpha", "slip.alpha", "0.1"},
    {"tau", "slip.tau", "0.1"},
    {0},
};
static const gp_case_output output[] = {{"text_features", "KE"}, {0}};

const gp_case_kind gp_case_slip = {
    .name = "slip",
    .method = &gp_method_slip,
    .view = {"image", "view_a", "view_b"},
    .option = option,
    .output = output,
    .terms = true,
};
