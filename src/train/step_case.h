/* step_case.h - parity with an independent implementation: read a case file, do its step or its training, write what came out.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_STEP_CASE_H
#define GP_STEP_CASE_H

#include "kernels/gemm.h"

/* `case_file` is a safetensors file with inputs (in.*), parameters (param.*) and the method's options as metadata; options that the file
 * does not name have the values of plain arithmetic: frg_norm=unit, frg_center=0, decoder_bias=1.  Writes to `out` every out.* and grad.*
 * of the step; for a training file (metadata `steps`) out.loss, out.lr and final.*.  Methods: step_case_kinds.c; UNSUPPORTED for others,
 * DATA for a file that contradicts itself or the weights, WEIGHTS for bad weights, NUMERIC for non-finite results. */
gopro_status gp_step_case(const char *weights, const char *case_file, const char *out, gp_compute *c, gp_precision precision,
                          gopro_error *err);

#endif
