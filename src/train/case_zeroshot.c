/* case_zeroshot.c - parity cases of zero-shot CLIP.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/step_case_kinds.h"

static const gp_case_output output[] = {{"text_features", "KE"}, {0}};

const gp_case_kind gp_case_zeroshot = {.name = "zeroshot", .method = &gp_method_zeroshot, .view = {"image"}, .output = output};
