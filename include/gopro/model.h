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

/* `folder`: model.safetensors (Hugging Face CLIPModel names), config.json, tokenizer files.  Options threads and precision count.
 * GOPRO_E_WEIGHTS names the file and the tensor at fault. */
GOPRO_API gopro_status gopro_model_load(gopro_model **model, const char *folder, const gopro_config *config, gopro_error *err);
GOPRO_API void gopro_model_free(gopro_model **model);

GOPRO_API const char *gopro_model_hash(const gopro_model *model); /* SHA-256 of the weights, hex; valid as long as the model */
GOPRO_API size_t gopro_model_image_size(const gopro_model *model);
GOPRO_API size_t gopro_model_embed_size(const gopro_model *model);

#ifdef __cplusplus
}
#endif
#endif
