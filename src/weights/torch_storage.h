/* torch_storage.h - where the numbers of a PyTorch file lie.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TORCH_STORAGE_H
#define GP_TORCH_STORAGE_H

#include "base/pickle.h"
#include "weights/tensors.h"
#include "weights/zip.h"

typedef struct gp_torch_storage {
    const uint8_t *data;
    size_t count; /* numbers */
    gp_dtype dtype;
} gp_torch_storage;

typedef struct gp_torch_span { /* what one tensor uses of the file */
    const uint8_t *data;
    size_t size, tensor;
} gp_torch_span;

typedef struct gp_torch_keyed {
    const char *key; /* inside the pickle */
    size_t n_key;
    gp_torch_storage s;
} gp_torch_keyed;

typedef struct gp_torch_storages {
    gp_zip zip;
    char *prefix; /* of the archive's entries; NULL: not a zip */
    gp_torch_keyed *keyed;
    size_t n_keyed;
} gp_torch_storages;

gopro_status gp_torch_zip_open(gp_torch_storages *s, const gp_zip_entry **pickle, bool *script, const uint8_t *data, size_t size,
                               const char *label, gopro_error *err);
gopro_status gp_torch_legacy_storages(gp_torch_storages *s, const gp_pickle *p, const gp_pickle *keys, const uint8_t *data, size_t size,
                                      const char *label, gopro_error *err);
void gp_torch_storages_free(gp_torch_storages *s);

/* The storage that a persistent id names; `tensor` for messages. */
gopro_status gp_torch_storage_get(const gp_torch_storages *s, const gp_pickle *p, uint32_t node, gp_torch_storage *out, const char *tensor,
                                  const char *label, gopro_error *err);

#endif
