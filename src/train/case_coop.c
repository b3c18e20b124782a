/* case_coop.c - parity cases of CoOp.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case_kinds.h"

static const gp_case_option option[] = {{"csc", "coop.csc", "0"}, {"position", "coop.position", "end"}, {0}};
static const gp_case_output output[] = {{"text_features", "KE"}, {0}};

const gp_case_kind gp_case_coop = {
    .name = "coop",
    .method = &gp_method_coop,
    .view = {"image"},
    .option = option,
    .output = output,
};
