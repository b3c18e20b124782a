/* safetensors.h - reader (memory-mapped, everything checked before use) and writer of safetensors files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_SAFETENSORS_H
#define GP_SAFETENSORS_H

#include "base/error.h"
#include "base/file.h"

#define GP_MAX_RANK 8

typedef enum gp_dtype {
    GP_DT_F64,
    GP_DT_F32,
    GP_DT_F16,
    GP_DT_BF16,
    GP_DT_I64,
    GP_DT_I32,
    GP_DT_I16,
    GP_DT_I8,
    GP_DT_U8,
    GP_DT_BOOL
} gp_dtype;
size_t gp_dtype_size(gp_dtype t);
const char *gp_dtype_name(gp_dtype t); /* "F32" */

typedef struct gp_tensor {
    const char *name; /* owned by the file object */
    gp_dtype dtype;
    size_t rank, shape[GP_MAX_RANK], count; /* count = product of shape, 1 for rank 0 */
    const uint8_t *data;                    /* inside the mapping; aligned to nothing in particular */
} gp_tensor;

typedef struct gp_safetensors gp_safetensors;

/* FORMAT errors name the tensor and the rule broken: header length, JSON (line and column), unknown dtype, shape product overflow,
 * size other than the offsets say, offsets outside the file, overlapping or leaving holes, duplicate names.  The caller recodes. */
gopro_status gp_safetensors_open(gp_safetensors **f, const char *path, gopro_error *err);
gopro_status gp_safetensors_open_memory(gp_safetensors **f, const void *data, size_t size, const char *label,
                                        gopro_error *err);                                                 /* for fuzzing; data borrowed */
gopro_status gp_safetensors_open_map(gp_safetensors **f, gp_map *map, const char *path, gopro_error *err); /* takes the mapping over */
void gp_safetensors_close(gp_safetensors **f);
gopro_status gp_safetensors_check(const gp_safetensors *f, gopro_error *err); /* gp_stamp_check: nothing wrote to it since it was opened */
void gp_safetensors_drop_pages(const gp_safetensors *f);                      /* gp_map_drop_pages */
size_t gp_safetensors_count(const gp_safetensors *f);
const gp_tensor *gp_safetensors_at(const gp_safetensors *f, size_t i); /* in file order */
const gp_tensor *gp_safetensors_find(const gp_safetensors *f, const char *name);
const char *gp_safetensors_meta(const gp_safetensors *f, const char *key); /* NULL if absent */
size_t gp_safetensors_meta_count(const gp_safetensors *f);
/* *at: NULL before the first pair; false after the last. */
bool gp_safetensors_meta_next(const gp_safetensors *f, void **at, const char **key, const char **value);

/* Converts a floating tensor to float / double, an integer tensor to int32 (FORMAT error if a value does not fit). */
gopro_status gp_tensor_to_f32(float *out, const gp_tensor *t, gopro_error *err);
gopro_status gp_tensor_to_f64(double *out, const gp_tensor *t, gopro_error *err);
gopro_status gp_tensor_to_i32(int32_t *out, const gp_tensor *t, gopro_error *err);

/* Writer: collect, then write atomically.  Tensor data is borrowed until written. */
typedef struct gp_st_writer gp_st_writer;
gp_st_writer *gp_st_writer_create(void);
void gp_st_writer_free(gp_st_writer **w);
void gp_st_writer_meta(gp_st_writer *w, const char *key, const char *value);
/* src is float (is_double false) or double data, stored as dtype F64, F32, F16 or BF16 (rounded to nearest even), or int32 data for I32. */
void gp_st_writer_add(gp_st_writer *w, const char *name, gp_dtype dtype, const size_t *shape, size_t rank, const void *src, bool is_double);
gopro_status gp_st_writer_commit(gp_st_writer *w, const char *path, gopro_error *err);

float gp_f16_to_f32(uint16_t h);
uint16_t gp_f32_to_f16(float f);
float gp_bf16_to_f32(uint16_t h);
uint16_t gp_f32_to_bf16(float f);

#endif
