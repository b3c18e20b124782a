/* pretrain.h - pretraining a small CLIP from drawings and alt-texts: CLIP's objective or SLIP's, AdamW (METHODS 3.2a, 5.4).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PRETRAIN_H
#define GP_PRETRAIN_H

#include "base/log.h"
#include "base/options.h"
#include "kernels/compute.h"

/* pairs, val: lists as pretrain_pairs.h reads them (val may be NULL).  out: folder that receives merges.txt, vocab.json, config.json,
 * preprocessor_config.json, model.safetensors (half precision, the moving average with the best validation loss, logit scale fitted on
 * held-out concepts), pretrain.jsonl (the log: loss and acc are CLIP's, ssl_loss and ssl_acc those
 * of SLIP's further term) and, while running, checkpoint.safetensors, from which an interrupted run goes on.
 * Every random number comes from the option `seed`; the result does not depend on the number of threads. */
gopro_status gp_pretrain(gp_compute *c, const gp_options *o, const char *pairs, const char *val, const char *out, const gp_log *log,
                         gopro_error *err);

#endif
