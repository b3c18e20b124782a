/* case_cocoop.c - parity cases of CoCoOp.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case_kinds.h"

static const gp_case_output output[] = {{"text_features", "NKE"}, {"ctx_shift", "NT"}, {0}};

const gp_case_kind gp_case_cocoop = {.name = "cocoop", .method = &gp_method_cocoop, .view = {"image"}, .output = output};
