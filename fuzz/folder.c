/* folder.c - fuzzes the files that are found in a folder by their names: a vocabulary's pair, the official lists of datasets, what a
 * dataset says of itself, a pack of cached features.  The first byte says which reader, 0xff parts the files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/dataset_int.h"
#include "data/known.h"
#include "features/pack.h"
#include "files.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACK_KEY "0123456789abcdef"
static const gp_pack_space space = {
    .key = PACK_KEY "0123456789abcdef0123456789abcdef0123456789abcdef", .embed = 4, .layers = 2, .width = 3};
static gp_image_id known_id;

static void set_up(void)
{
    static const char *const folder[] = {"vocabulary",
                                         "lists",
                                         "own/red",
                                         "own/blue",
                                         "wnids/imagenet-a/n01498041",
                                         "wnids/imagenet-a/n01531178",
                                         "numbers/imagenetv2-matched-frequency-format-val/0",
                                         "numbers/imagenetv2-matched-frequency-format-val/1",
                                         "cache"};
    char path[256];
    gopro_error err = {0};
    files_make();
    for (size_t i = 0; i < GP_COUNT(folder); i++) {
        if (gp_mkdirs(files_at(path, folder[i]), &err) != GOPRO_OK) abort();
        char image[160];
        snprintf(image, sizeof image, "%s/a.jpg", folder[i]);
        if (i >= 2 && i <= 7) files_put(image, "", 0);
    }
    memset(&known_id, 7, sizeof known_id);
}

/* Cuts the next file off: what stands before 0xff. */
static size_t next(const uint8_t **data, size_t *left, const uint8_t **file)
{
    const uint8_t *cut = *left ? memchr(*data, 0xff, *left) : NULL;
    const size_t n = cut ? (size_t)(cut - *data) : *left, used = cut ? n + 1 : n;
    *file = *data;
    *data += used;
    *left -= used;
    return n;
}

static void vocabulary(const uint8_t *data, size_t size)
{
    const uint8_t *file;
    char path[256];
    gp_tokenizer *t = NULL;
    gopro_error err = {0};
    const size_t n = next(&data, &size, &file);
    files_put("vocabulary/merges.txt", file, n);
    files_put("vocabulary/vocab.json", data, size);
    if (gp_tokenizer_load(&t, files_at(path, "vocabulary"), 0, &err) != GOPRO_OK) {
        if (t || strlen(err.msg) == 0) abort();
        return;
    }
    gp_tokenizer_free(&t);
}

static void check_lists(const gp_ds_build *b)
{
    for (int p = 0; p < GP_PARTS; p++)
        for (size_t i = 0; i < b->n[p]; i++) {
            const gp_item *it = &b->item[p][i];
            if (!gp_path_inside(it->path) || it->label >= b->n_classes || !b->class_name[it->label]) abort();
        }
}

static void known(const char *dataset, const char *folder)
{
    gp_ds_build b;
    gopro_error err = {0};
    char path[256];
    if (gp_ds_init(&b, NULL, NULL, &err) != GOPRO_OK) return;
    if (gp_ds_from_known(&b, gp_known_by_name(dataset), files_at(path, folder), &err) == GOPRO_OK)
        check_lists(&b);
    else if (strlen(err.msg) == 0)
        abort();
    gp_ds_free(&b);
}

static void lists(const uint8_t *data, size_t size)
{
    static const char *const name[] = {"lists/variants.txt", "lists/images_variant_train.txt", "lists/images_variant_val.txt",
                                       "lists/images_variant_test.txt"};
    for (size_t i = 0; i < GP_COUNT(name); i++) {
        const uint8_t *file;
        const size_t n = next(&data, &size, &file);
        files_put(name[i], file, n);
    }
    known("fgvc_aircraft", "lists");
}

static void wnids(const uint8_t *data, size_t size)
{
    files_put("wnids/classnames.txt", data, size);
    known("imagenet_a", "wnids");
}

static void numbers(const uint8_t *data, size_t size)
{
    files_put("numbers/classnames.txt", data, size);
    known("imagenetv2", "numbers");
}

static void own(const uint8_t *data, size_t size)
{
    const uint8_t *file;
    const size_t n = next(&data, &size, &file);
    char path[256];
    gp_dataset *d = NULL;
    gopro_error err = {0};
    files_put("own/dataset.json", file, n);
    files_put("own/classes.txt", data, size);
    if (!size) unlink(files_at(path, "own/classes.txt"));
    if (gp_dataset_open(&d, files_at(path, "own"), &(gp_data_rules){.split_seed = 1}, NULL, &err) != GOPRO_OK) {
        if (d || strlen(err.msg) == 0) abort();
        return;
    }
    if (!d->name[0] || !strstr(d->template_text, "{}") || d->n_classes < 2) abort();
    gp_dataset_free(&d);
}

static void pack(const uint8_t *data, size_t size)
{
    char path[256];
    gp_packs *p = NULL;
    gopro_error err = {0};
    files_put("cache/" PACK_KEY "-0000000000000000.safetensors", data, size);
    if (gp_packs_open(&p, files_at(path, "cache"), &space, &err) != GOPRO_OK) return;
    for (int stats = 0; stats < 2; stats++) {
        gp_pack_row row;
        volatile float sum = 0.0F;
        if (!gp_packs_find(p, &row, &known_id, stats)) continue;
        for (size_t i = 0; i < space.embed; i++) sum = sum + row.feat[i];
        if (!row.mu != !row.sigma || (stats && !row.mu)) abort();
        for (size_t i = 0; row.mu && i < space.layers * space.width; i++) sum = sum + row.mu[i] + row.sigma[i];
    }
    gp_packs_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const reader[])(const uint8_t *data, size_t size) = {vocabulary, lists, wnids, numbers, own, pack};
    if (!files[0]) set_up();
    if (size) reader[data[0] % GP_COUNT(reader)](data + 1, size - 1);
    return 0;
}
