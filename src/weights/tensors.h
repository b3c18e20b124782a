/* tensors.h - the named arrays of a checkpoint, whatever kind of files they came from, under one set of names.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TENSORS_H
#define GP_TENSORS_H

#include "base/file.h"
#include "weights/safetensors.h"

typedef enum gp_layout { GP_LAYOUT_HF, GP_LAYOUT_OPENAI, GP_LAYOUT_SLIP } gp_layout;

typedef struct gp_tensors {
    gp_tensor *v; /* sorted by name once closed */
    size_t n, cap;
    char **file;     /* where they came from, in the order read */
    gp_stamp *stamp; /* of each file when it was opened */
    size_t n_file;
    gp_layout layout;
    bool folder;            /* the files were found in a folder */
    bool script;            /* a TorchScript archive */
    bool training;          /* the weights lay in {'state_dict': ...}, or behind "module." */
    bool openai_marks;      /* input_resolution, context_length or vocab_size were there: OpenAI's files have them */
    bool merged_qkv, mixed; /* found while renaming: merged q, k, v; both 16 and 32 bits */
    char model_arg[64];     /* args.model of a training script, e.g. "SLIP_VITB16" */
    const char *container;  /* "safetensors", "PyTorch zip", ... */
    void *own;
} gp_tensors;

/* A file (safetensors, PyTorch zip, TorchScript, PyTorch before 1.6, recognised by its bytes) or a folder that holds one of the names that
 * Hugging Face and open_clip use, or an index of shards.  WEIGHTS errors. */
gopro_status gp_tensors_open(gp_tensors **t, const char *path, gopro_error *err);
/* The same from memory, for fuzzing; the bytes are borrowed. */
gopro_status gp_tensors_open_memory(gp_tensors **t, const void *data, size_t size, const char *label, gopro_error *err);
void gp_tensors_close(gp_tensors **t);
void gp_tensors_drop_pages(const gp_tensors *t); /* the files' pages leave memory until they are read again */
/* WEIGHTS error if one of the files was written to since it was opened. */
gopro_status gp_tensors_check(const gp_tensors *t, gopro_error *err);
/* Reads everything that came with a checksum (PyTorch's zip archives): WEIGHTS error if it does not fit. */
gopro_status gp_tensors_intact(const gp_tensors *t, gopro_error *err);
bool gp_tensors_standard_name(const char *path); /* one that a folder is searched for, or a variant's (model.fp16.safetensors)? */

/* Recognises the layout by its names and gives every tensor the name and shape that Hugging Face's CLIPModel has (METHODS 1.7): q, k and v
 * separate, projections [out, in].  What belongs to no CLIP keeps its name.  Error: no CLIP, a ResNet, a tower of another library. */
gopro_status gp_tensors_to_hf(gp_tensors *t, const char *label, gopro_error *err);
/* How the checkpoint itself calls a tensor. */
const char *gp_layout_source_name(const gp_tensors *t, const char *hf_name, char *buf, size_t cap);
/* May a tensor that no tower uses be passed over? */
bool gp_layout_ignored(const gp_tensors *t, const char *name);

const gp_tensor *gp_tensors_find(const gp_tensors *t, const char *name);
const char *gp_tensors_meta(const gp_tensors *t, const char *key); /* of a single safetensors file; else NULL */

/* For the readers. */
gopro_status gp_tensors_create(gp_tensors **t, gopro_error *err);
gopro_status gp_tensors_add(gp_tensors *t, const char *name, const gp_tensor *tensor, gopro_error *err); /* copies the name */
void *gp_tensors_buffer(gp_tensors *t, size_t bytes, gopro_error *err);                                  /* lives as long as t */
gopro_status gp_tensors_sort(gp_tensors *t, const char *label, gopro_error *err);                        /* error: a name twice */
/* torch.c: any file of torch.save or torch.jit.save. */
gopro_status gp_torch_read(gp_tensors *t, const uint8_t *data, size_t size, const char *label, gopro_error *err);
bool gp_torch_looks_legacy(const uint8_t *data, size_t size);

#endif
