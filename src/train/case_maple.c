/* case_maple.c - parity cases of MaPLe.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case_kinds.h"

static const gp_case_option option[] = {{"depth", "maple.depth", NULL}, {0}};
static const gp_case_output output[] = {{"image_features", "NE"}, {"text_features", "KE"}, {0}};

const gp_case_kind gp_case_maple = {
    .name = "maple",
    .method = &gp_method_maple,
    .view = {"image"},
    .option = option,
    .output = output,
    .own_image_features = true,
};
