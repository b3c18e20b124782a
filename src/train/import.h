/* import.h - a checkpoint of any format to the one folder that loads at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_IMPORT_H
#define GP_IMPORT_H

#include "base/options.h"
#include "text/tokenizer.h"
#include "weights/clip.h"

/* Weights and vocabulary that belong together, from any format; options model.*. */
gopro_status gp_import_load(gp_clip_weights **w, gp_tokenizer **t, const char *path, const gp_options *o, gopro_error *err);

/* Writes folder `out`, which must not exist or be empty, complete or not at all.  dtype: gp_dtype of the numbers.  hash: of the contents.
 */
gopro_status gp_import_write(gp_clip_weights *w, const gp_tokenizer *t, const char *out, int dtype, char hash[65], const gp_log *log,
                             gopro_error *err);

#endif
