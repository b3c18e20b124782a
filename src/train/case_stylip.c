/* case_stylip.c - parity cases of StyLIP.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case_kinds.h"

static const gp_case_option option[] = {
    {"frg_norm", "stylip.frg_norm", "unit"}, {"frg_center", "stylip.frg_center", "0"}, {"decoder_bias", "stylip.decoder_bias", "1"},
    {"content", "stylip.content", NULL},     {"alpha", "stylip.alpha", "0.1"},         {0},
};
static const gp_case_output output[] = {{"text_features", "NKE"}, {0}};

const gp_case_kind gp_case_stylip = {
    .name = "stylip",
    .method = &gp_method_stylip,
    .view = {"image"},
    .option = option,
    .output = output,
};
