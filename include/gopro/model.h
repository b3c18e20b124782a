/* model.h - a frozen CLIP loaded from a folder, ready for any number of runs and predictions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GOPRO_MODEL_H
#define GOPRO_MODEL_H

#include "gopro/config.h"
#include "gopro/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gopro_model gopro_model;

/* `path`: a folder or file in any of the formats of docs/CHECKPOINTS.md, with its tokenizer files.  Options threads, precision and model.*.
 * GOPRO_E_WEIGHTS names the file and the tensor at fault.  The files stay mapped: they must not be written to (calls that use the model
 * then fail with GOPRO_E_WEIGHTS) nor be cut off (the system ends the process with SIGBUS) while the model lives. */
GOPRO_API gopro_status gopro_model_load(gopro_model **model, const char *path, const gopro_config *config, gopro_error *err);
GOPRO_API void gopro_model_free(gopro_model **model);

GOPRO_API const char *gopro_model_hash(const gopro_model *model); /* SHA-256 of the weights, hex; valid as long as the model */
GOPRO_API size_t gopro_model_image_size(const gopro_model *model);
GOPRO_API size_t gopro_model_embed_size(const gopro_model *model);
/* What was assumed about the checkpoint without evidence in it, and how to say otherwise; NULL: nothing. */
GOPRO_API const char *gopro_model_warning(const gopro_model *model);

/* Reads a checkpoint and writes the one folder `out` (new or empty) that loads at once; options model.*; dtype "f32" (also NULL), "f16" or
 * "bf16".  *report: what was found, as text or JSON; *warning: as above, or NULL.  Free both with gopro_string_free; either may be NULL.
 * context: asked whether to stop (GOPRO_E_CANCELLED, and no folder) once the checkpoint is read, at every tensor; may be NULL. */
GOPRO_API gopro_status gopro_import(char **report, char **warning, gopro_context *context, int json, const char *source, const char *out,
                                    const char *dtype, const gopro_config *config, gopro_error *err);
/* Reads an imported folder in full: GOPRO_E_WEIGHTS if its contents are no longer those that were imported. */
GOPRO_API gopro_status gopro_import_verify(const char *folder, gopro_error *err);

#ifdef __cplusplus
}
#endif
#endif
