/* check.c - see check.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "data/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/pool.h"
#include "base/str.h"
#include "data/bytes.h"
#include "data/dataset_int.h"
#include "data/known.h"

#define BLOCK 64 /* images decoded between two looks at whether to stop */

typedef struct checker {
    const gp_dataset *d;
    const gp_check_request *q;
    const gp_check_sink *sink;
    gp_check_result *r;
} checker;

static void tell(const checker *c, gp_finding_kind kind, const char *fmt, ...) GP_PRINTF(3, 4);
static void tell(const checker *c, gp_finding_kind kind, const char *fmt, ...)
{
    char few[1200];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(few, sizeof few, fmt, ap);
    char *all = n >= (int)sizeof few ? malloc((size_t)n + 1) : NULL; /* a path may be long */
    if (all) vsnprintf(all, (size_t)n + 1, fmt, again);
    va_end(ap);
    va_end(again);
    gp_plain_text(all ? all : few); /* one finding a line, whatever names hold */
    if (kind == GP_FOUND_FAULT) c->r->faults++;
    if (c->sink && c->sink->tell) c->sink->tell(c->sink->user, kind, all ? all : few);
    free(all);
}

static bool stopped(const checker *c)
{
    return c->sink && c->sink->cancelled && c->sink->cancelled(c->sink->user);
}

static const gp_split *part_of(const gp_dataset *d, int p)
{
    return p == GP_PART_TRAIN ? &d->train : p == GP_PART_VAL ? &d->val : &d->test;
}

/* ---- files ---- */

static void check_files(const checker *c)
{
    size_t total = 0, empty = 0, told = 0;
    for (int p = 0; p < GP_PARTS; p++) {
        const gp_split *s = part_of(c->d, p);
        total += s->n;
        for (size_t i = 0; i < s->n; i++) {
            gp_item_stamp stamp;
            if (i % 1024 == 0 && stopped(c)) return;
            const bool there = gp_item_stat(&stamp, c->d->root, &s->item[i]);
            if (there && stamp.size > 0) continue;
            empty += there;
            c->r->missing += !there;
            if (++told > c->q->name_limit && c->q->name_limit) continue;
            char *path = gp_path_join(c->d->root, s->item[i].path);
            tell(c, GP_FOUND_FILE, "%s (%s): %s", there ? "empty" : "missing", gp_part_name[p], path ? path : s->item[i].path);
            free(path);
        }
    }
    if (c->r->missing == total)
        tell(c, GP_FOUND_FAULT, "none of the %zu images is there: put or link the images at '%s'", total, c->d->root);
    else if (c->r->missing)
        tell(c, GP_FOUND_FAULT, "%zu of %zu images are missing: %s", c->r->missing, total,
             c->d->known ? "fetch them again, the lists name them as they are in the original archive"
                         : "put them there, or take them out of the list (a link that leads nowhere, a pipe or a device is no image)");
    else
        tell(c, GP_FOUND_OK, "all %zu images are there", total);
    if (empty) tell(c, GP_FOUND_FAULT, "%zu images are empty files: fetch them again", empty);
}

/* ---- against the published numbers ---- */

static void expect_count(const checker *c, const char *what, size_t have, size_t want, const char *advice)
{
    if (have != want) tell(c, GP_FOUND_FAULT, "%zu %s, expected %zu: %s", have, what, want, advice);
}

static const char *lists_advice(const gp_known *k)
{
    switch (k->layout) {
    case GP_LAYOUT_SPLIT:
        return "is the split file the published one?";
    case GP_LAYOUT_LISTS:
        return "take variants.txt and the three lists images_variant_*.txt from the archive as they are";
    case GP_LAYOUT_IMAGENET:
        return "unpack the archives again, all of them, and put every image of theirs into the folder of its wnid";
    default:
        return "unpack the archive again: a folder or some of its images are missing, or others were added";
    }
}

/* Which of the listed folders are not there. */
static void check_wnids(const checker *c)
{
    static const char *const level[] = {"train", "val"};
    char *list = gp_path_join(c->d->source, "classnames.txt");
    gp_names *m = NULL;
    gopro_error e;
    if (!list || gp_names_read(&m, list, &e) != GOPRO_OK) m = NULL; /* it was read when the dataset was opened */
    for (size_t l = 0; m && l < GP_COUNT(level); l++) {
        size_t missing = 0;
        const char *first = "";
        for (size_t i = 0; i < gp_names_count(m); i++) {
            const char *wnid = gp_names_key(m, i);
            char *folder = wnid ? gp_sprintf("%s/%s/%s", c->d->root, level[l], wnid) : NULL;
            if (folder && !gp_path_is_dir(folder) && missing++ == 0) first = wnid;
            free(folder);
        }
        if (missing)
            tell(c, GP_FOUND_FAULT,
                 "%zu of the %zu folders that classnames.txt lists are missing in '%s/%s', the first is '%s': unpack them", missing,
                 gp_names_count(m), c->d->root, level[l], first);
    }
    gp_names_free(&m);
    free(list);
}

static void check_counts(const checker *c, const gp_known *k)
{
    const size_t before = c->r->faults, half = (k->classes + 1) / 2;
    const char *lists = lists_advice(k);
    static const char *const what[GP_PARTS] = {"training images", "validation images", "test images"};
    expect_count(c, "classes", c->d->n_classes, k->classes,
                 k->layout == GP_LAYOUT_IMAGENET || k->layout == GP_LAYOUT_WNID ? "a class folder is missing or too many" : lists);
    for (int p = 0; p < GP_PARTS; p++) expect_count(c, what[p], part_of(c->d, p)->n, k->n[p], lists);
    size_t base = 0;
    for (size_t i = 0; i < c->d->test.n; i++) base += c->d->test.item[i].label < half;
    if (k->base_test && c->d->n_classes == k->classes) expect_count(c, "test images of base classes", base, k->base_test, lists);
    if (c->d->n_classes == k->classes && k->last_base)
        if (strcmp(c->d->class_name[half - 1], k->last_base) != 0 || strcmp(c->d->class_name[half], k->first_new) != 0)
            tell(c, GP_FOUND_FAULT, "base classes end with '%s' and new ones begin with '%s', expected '%s' and '%s': %s",
                 c->d->class_name[half - 1], c->d->class_name[half], k->last_base, k->first_new,
                 k->split                       ? lists
                 : k->layout == GP_LAYOUT_LISTS ? "take variants.txt from the archive as it is"
                                                : "classnames.txt has other names or another order");
    if (c->r->faults == before) tell(c, GP_FOUND_OK, "classes, counts and the border of base and new classes are the published ones");
}

static void expect_hash(const checker *c, const char *what, const char *have, const char *want, const char *advice)
{
    if (!want)
        tell(c, GP_FOUND_NOTE, "%s hash %.16s (not published)", what, have);
    else if (strncmp(have, want, 16) == 0)
        tell(c, GP_FOUND_OK, "%s hash %.16s is the published one", what, have);
    else
        tell(c, GP_FOUND_FAULT, "%s hash %.16s, expected %s: %s", what, have, want, advice);
}

/* A draw is positions: with another order of the images inside of a class it is the same, so it stands for the order of the classes and
 * their numbers of images; the split's hash, where it is known, for the images. */
static void check_draws(const checker *c, const gp_known *k)
{
    if (!k->fingerprint[0][0] || c->d->by_shuffle || c->d->train.n != k->n[0] || c->d->val.n != k->n[1]) return;
    for (uint64_t seed = 1; seed <= GP_KNOWN_SEEDS; seed++) {
        gp_draw dr = {0};
        gopro_error e = {0};
        if (gp_draw_make(&dr, c->d, 16, seed, NULL, &e) != GOPRO_OK) {
            tell(c, GP_FOUND_FAULT, "16 shots with seed %ju: %s", (uintmax_t)seed, e.msg);
        } else if (strncmp(dr.hash, k->fingerprint[0][seed - 1], 16) != 0 || strncmp(dr.val_hash, k->fingerprint[1][seed - 1], 16) != 0) {
            tell(c, GP_FOUND_FAULT, "the draw of 16 shots with seed %ju is %.16s/%.16s, published %s/%s: the lists are in another order",
                 (uintmax_t)seed, dr.hash, dr.val_hash, k->fingerprint[0][seed - 1], k->fingerprint[1][seed - 1]);
            gp_draw_free(&dr);
            return;
        }
        gp_draw_free(&dr);
    }
    if (k->split_hash)
        tell(c, GP_FOUND_OK, "the 16-shot draws of seeds 1 to 3 are the published ones");
    else
        tell(c, GP_FOUND_OK,
             "the 16-shot draws of seeds 1 to 3 have the published positions (which image stands where cannot be compared, as the hash of "
             "the "
             "published split is not known here: take the lists as they come)");
}

static const char *names_advice(const gp_known *k)
{
    if (k->split) return "the class names or their order differ from the published ones; fetch the published split file again";
    if (k->layout == GP_LAYOUT_LISTS) return "take variants.txt from the archive as it is";
    return "classnames.txt must have the names of the notebook of CLIP's authors, and every folder of the archive must be there";
}

static void check_known(const checker *c, const gp_known *k)
{
    if (c->d->by_shuffle)
        tell(c, GP_FOUND_FAULT,
             "the split file '%s' is missing, so the images were split by a shuffle and numbers compare with nobody's: put the published "
             "one into '%s'",
             k->split, c->d->source);
    if (k->layout == GP_LAYOUT_IMAGENET) check_wnids(c);
    check_counts(c, k);
    expect_hash(c, "class-name", c->r->class_hash, k->class_hash, names_advice(k));
    if (!c->d->by_shuffle)
        expect_hash(c, "split", c->r->split_hash, k->split_hash, "fetch the published split file again, and do not sort or edit it");
    check_draws(c, k);
    if (strcmp(c->d->template_text, k->template_text) != 0)
        tell(c, GP_FOUND_NOTE, "dataset.json sets the template '%s'; published results use '%s'", c->d->template_text, k->template_text);
    tell(c, GP_FOUND_NOTE, "keep in mind: %s", k->trap);
}

/* ---- decoding ---- */

typedef struct decoder {
    const gp_dataset *d;
    size_t first, n, total, all; /* this block of the sample; the sample; the images */
    bool bad[BLOCK], absent[BLOCK];
    gopro_error err[BLOCK];
} decoder;

/* The i-th image of the sample: spread evenly over train, val and test. */
static const gp_item *sampled(const decoder *j, size_t i)
{
    size_t at = j->total == j->all ? i : (size_t)((double)i * (double)j->all / (double)j->total);
    int p = 0;
    for (; at >= part_of(j->d, p)->n; p++) at -= part_of(j->d, p)->n;
    return &part_of(j->d, p)->item[at];
}

static void decode_one(void *arg, size_t block, size_t worker)
{
    decoder *j = arg;
    gp_image im = {0};
    gp_item_stamp stamp;
    const gp_item *it = sampled(j, j->first + block);
    (void)worker;
    j->absent[block] = !gp_item_stat(&stamp, j->d->root, it); /* is said already */
    j->bad[block] = !j->absent[block] && gp_item_read(&im, j->d->root, it, &j->err[block]) != GOPRO_OK;
    gp_image_free(&im);
}

static gopro_status decode(const checker *c, gopro_error *err)
{
    decoder *j = calloc(1, sizeof *j);
    gp_pool *pool = NULL;
    gopro_status st = j ? gp_pool_create(&pool, c->q->threads, err) : gp_fail_nomem(err, sizeof *j, "decoding");
    if (st != GOPRO_OK) goto out;
    j->d = c->d;
    for (int p = 0; p < GP_PARTS; p++) j->all += part_of(c->d, p)->n;
    j->total = gp_min_size(c->q->sample, j->all);
    for (; j->first < j->total && !stopped(c); j->first += j->n) {
        j->n = gp_min_size(BLOCK, j->total - j->first);
        gp_parallel_for(pool, j->n, decode_one, j);
        for (size_t i = 0; i < j->n; i++) c->r->decoded += !j->absent[i];
        for (size_t i = 0; i < j->n; i++)
            if (j->bad[i] && (++c->r->unreadable <= c->q->name_limit || c->q->name_limit == 0))
                tell(c, GP_FOUND_FILE, "unreadable: %s", j->err[i].msg);
    }
    if (c->r->unreadable)
        tell(c, GP_FOUND_FAULT, "%zu of %zu images cannot be read: fetch them again%s", c->r->unreadable, c->r->decoded,
             c->q->skip_bad ? "; data.skip_bad=1 leaves them out of training and of tests, whose numbers then compare with nobody's"
                            : ", or leave them out with data.skip_bad=1");
    else if (c->r->decoded == 0)
        tell(c, GP_FOUND_NOTE, "none of the images of the sample is there, so none was decoded");
    else
        tell(c, GP_FOUND_OK, "%zu of %zu images decoded%s", c->r->decoded, j->all, c->r->decoded < j->all ? " (--decode reads all)" : "");
out:
    gp_pool_free(&pool);
    free(j);
    return st;
}

/* Classes that a file lists and no image shows. */
static void check_classes(const checker *c)
{
    const size_t K = c->d->n_classes;
    size_t *n = calloc(K + 1, sizeof *n), none = 0, first = 0;
    for (int p = 0; n && p < GP_PARTS; p++)
        for (size_t i = 0; i < part_of(c->d, p)->n; i++) n[part_of(c->d, p)->item[i].label]++;
    for (size_t k = K; n && k-- > 0;)
        if (n[k] == 0) none++, first = k;
    if (none)
        tell(c, GP_FOUND_NOTE, "%zu of the listed classes have no images ('%s'): prompts are made of them, but base and new leave them out",
             none, c->d->class_name[first]);
    free(n);
}

gopro_status gp_data_check(gp_check_result *r, const gp_dataset *d, const gp_check_request *q, const gp_check_sink *sink, gopro_error *err)
{
    *r = (gp_check_result){0};
    const checker c = {.d = d, .q = q, .sink = sink, .r = r};
    gp_class_names_hash(r->class_hash, (const char *const *)d->class_name, d->n_classes);
    gp_dataset_split_hash(r->split_hash, d);
    if (d->known) {
        check_known(&c, d->known);
    } else {
        tell(&c, GP_FOUND_NOTE, "class-name hash %.16s, split hash %.16s", r->class_hash, r->split_hash);
        if (d->by_shuffle)
            tell(&c, GP_FOUND_NOTE,
                 "nothing says what is training and what is test: every class was split 50/20/30 by a shuffle (data.split_seed)");
        check_classes(&c);
        if (d->train.n == 0) tell(&c, GP_FOUND_NOTE, "no training images: this dataset can only be tested on");
        if (d->test.n == 0) tell(&c, GP_FOUND_NOTE, "no test images: this dataset can only be trained on");
    }
    if (stopped(&c)) return gp_fail(err, GOPRO_E_CANCELLED, "interrupted");
    check_files(&c);
    if (!stopped(&c) && q->sample && r->missing < d->train.n + d->val.n + d->test.n) GP_TRY(decode(&c, err));
    return stopped(&c) ? gp_fail(err, GOPRO_E_CANCELLED, "interrupted") : GOPRO_OK;
}
