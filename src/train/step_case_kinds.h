/* step_case_kinds.h - every kind of parity case there is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_STEP_CASE_KINDS_H
#define GP_STEP_CASE_KINDS_H

#include "train/step_case_impl.h"

extern const gp_case_kind gp_case_zeroshot;
extern const gp_case_kind gp_case_slip;
extern const gp_case_kind gp_case_coop;
extern const gp_case_kind gp_case_cocoop;
extern const gp_case_kind gp_case_maple;
extern const gp_case_kind gp_case_stylip;
extern const gp_case_kind gp_case_gopro_paper;
extern const gp_case_kind gp_case_gopro;

#endif
