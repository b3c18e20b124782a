/* dataset_folder.c - one sub-folder per class, with or without levels train/val/test and domains above (DATASETS.md 4.6).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/dataset_int.h"
#include "image/image.h"

#define MAX_DEPTH 3 /* part, domain, class: so a link that leads upwards ends as a folder inside a class folder */

/* A folder on the way down to the classes. */
typedef struct level {
    const char *root, *rel; /* rel: relative to the root, "" at the top */
    const char *domain;     /* NULL: not below a domain */
    gp_part part;           /* GP_PARTS: not below a part */
    int depth;
} level;

typedef struct scan {
    gp_rows *r;
    const gp_folder_plan *plan;
    gp_part source; /* where an empty class is an error */
} scan;

static bool ignored(const gp_folder_plan *p, const char *name)
{
    for (size_t i = 0; p->ignore && p->ignore[i]; i++)
        if (strcmp(p->ignore[i], name) == 0) return true;
    return false;
}

static gopro_status not_an_image(gp_ds_build *b, const char *folder, const char *name, bool is_dir, gopro_error *err)
{
    if (!b->rules.skip_bad_images)
        return gp_fail(err, GOPRO_E_DATA,
                       "'%s/%s' is %s; expected .jpg, .jpeg, .png, .webp or .gif images only: remove it or set data.skip_bad", folder, name,
                       is_dir ? "a folder inside a class folder" : "not an image");
    if (b->n_skipped++ == 0) gp_logf(b->log, GP_LOG_WARN, "'%s/%s' is not an image: skipped", folder, name);
    return GOPRO_OK;
}

static gopro_status add_images(const scan *s, const level *l, const char *key, const char *folder, char **file, size_t n, gopro_error *err)
{
    size_t images = 0;
    for (size_t i = 0; i < n; i++) {
        if (!gp_image_known_name(file[i])) {
            GP_TRY(not_an_image(s->r->b, folder, file[i], false, err));
            continue;
        }
        char *rel = gp_path_join(l->rel, file[i]);
        if (!rel) return gp_fail_nomem(err, strlen(l->rel), "a path");
        gopro_status st =
            gp_utf8_ok(rel, strlen(rel)) ? GOPRO_OK : gp_fail(err, GOPRO_E_DATA, "'%s/%s' is not valid UTF-8; rename it", folder, file[i]);
        if (st == GOPRO_OK)
            st = gp_rows_add(s->r, &(gp_row){.path = rel, .part = (uint8_t)l->part}, key, strlen(key), l->domain,
                             l->domain ? strlen(l->domain) : 0, err);
        free(rel);
        GP_TRY(st);
        images++;
    }
    if (images) return GOPRO_OK;
    if (!l->domain && (l->part == GP_PARTS || l->part == s->source))
        return gp_fail(err, GOPRO_E_DATA, "class folder '%s' has no images: add some or remove it", folder);
    gp_logf(s->r->b->log, GP_LOG_WARN, "class folder '%s' has no images", folder);
    return GOPRO_OK;
}

static gopro_status read_class(const scan *s, const level *l, const char *key, gopro_error *err)
{
    char *folder = gp_path_join(l->root, l->rel), **in = NULL, **file = NULL;
    size_t n_in = 0, n_file = 0;
    if (!folder) return gp_fail_nomem(err, strlen(l->rel), "a path");
    gopro_status st = gp_list_apart(&in, &n_in, &file, &n_file, folder, err);
    for (size_t i = 0; i < n_in && st == GOPRO_OK; i++) st = not_an_image(s->r->b, folder, in[i], true, err);
    if (st == GOPRO_OK) st = add_images(s, l, key, folder, file, n_file, err);
    gp_list_free(&in, n_in);
    gp_list_free(&file, n_file);
    free(folder);
    return st;
}

/* What a sub-folder holds, so that a class may be called "train" and a domain is told from a class. */
static gopro_status look(bool *has_folders, bool *has_images, const char *path, gopro_error *err)
{
    char **in = NULL, **file = NULL;
    size_t n_in = 0, n_file = 0;
    GP_TRY(gp_list_apart(&in, &n_in, &file, &n_file, path, err));
    *has_folders = n_in > 0;
    *has_images = false;
    for (size_t i = 0; i < n_file && !*has_images; i++) *has_images = gp_image_known_name(file[i]);
    gp_list_free(&in, n_in);
    gp_list_free(&file, n_file);
    return GOPRO_OK;
}

typedef enum kind { CLASSES, PARTS, DOMAINS } kind;

/* The sub-folders of a level, by what they are called and what is in them. */
typedef struct found {
    bool parts, domains;   /* all of them can be train, val and test; domains */
    bool trained;          /* train or test holds class folders */
    const char *set_apart; /* a folder of classes that is called "train" or the like */
    const char *other;     /* one that is none */
    const char *flat;      /* called like a part, but with images instead of class folders */
} found;

static gopro_status look_at_all(found *f, const level *l, const char *folder, char **name, size_t n, gopro_error *err)
{
    *f = (found){.parts = l->part == GP_PARTS && n > 0, .domains = !l->domain && n > 0};
    if (l->depth + 1 >= MAX_DEPTH) f->parts = f->domains = false;
    for (size_t i = 0; i < n && l->depth + 1 < MAX_DEPTH; i++) {
        const gp_part p = gp_part_parse(name[i], strlen(name[i]));
        bool folders, images;
        if (p == GP_PARTS) f->other = name[i];
        if (p == GP_PARTS && !f->domains) { /* it is a class, as the others are; no need to look into each */
            f->parts = false;
            continue;
        }
        char *path = gp_path_join(folder, name[i]);
        if (!path) return gp_fail_nomem(err, strlen(folder), "a path");
        gopro_status st = look(&folders, &images, path, err);
        free(path);
        GP_TRY(st);
        f->parts = f->parts && p != GP_PARTS && (folders || !images);
        f->domains = f->domains && folders && !images;
        f->trained = f->trained || (folders && (p == GP_PART_TRAIN || p == GP_PART_TEST));
        if (p != GP_PARTS && folders && !images) f->set_apart = name[i];
        if (p != GP_PARTS && images && !folders) f->flat = name[i];
    }
    return GOPRO_OK;
}

static gopro_status kind_of(kind *k, const level *l, const char *folder, char **name, size_t n, gopro_error *err)
{
    found f;
    GP_TRY(look_at_all(&f, l, folder, name, n, err));
    *k = f.parts && f.trained ? PARTS : f.domains ? DOMAINS : CLASSES;
    if (*k == PARTS || l->part != GP_PARTS || !f.set_apart) return GOPRO_OK;
    /* Taken as domains, images that somebody set apart for testing would be trained on. */
    if (f.other)
        return gp_fail(err, GOPRO_E_DATA,
                       "'%s' holds '%s' beside '%s': expected train, val and test alone, or domains alone; move one away", folder,
                       f.set_apart, f.other);
    if (f.flat)
        return gp_fail(err, GOPRO_E_DATA,
                       "'%s' has a folder per class in '%s' but images in '%s'; sort those into class folders too, or move '%s' away "
                       "(gopro predict needs no classes)",
                       folder, f.set_apart, f.flat, f.flat);
    return GOPRO_OK;
}

/* What lies beside the folders of a level: nothing is read of it, and what was meant to be read is said. */
static gopro_status check_beside(const scan *s, const char *folder, char **file, size_t n, gopro_error *err)
{
    size_t images = 0, example = 0;
    for (size_t i = 0; i < n; i++) {
        if (gp_image_known_name(file[i])) {
            if (images++ == 0) example = i;
            continue;
        }
        char *path = gp_path_join(folder, file[i]);
        if (!path) return gp_fail_nomem(err, strlen(folder), "a path");
        const bool broken = gp_path_is_broken_link(path);
        free(path);
        if (broken && !s->r->b->rules.skip_bad_images)
            return gp_fail(err, GOPRO_E_DATA, "'%s/%s' is a link that leads nowhere: is the disk of a class not there? Mend or remove it",
                           folder, file[i]);
        if (broken) gp_logf(s->r->b->log, GP_LOG_WARN, "'%s/%s' is a link that leads nowhere: skipped", folder, file[i]);
    }
    if (images)
        gp_logf(s->r->b->log, GP_LOG_WARN, "'%s': %zu image%s beside the class folders, which %s no class and %s not used: '%s'", folder,
                images, images > 1 ? "s lie" : " lies", images > 1 ? "have" : "has", images > 1 ? "are" : "is", file[example]);
    return GOPRO_OK;
}

static gopro_status descend(scan *s, const level *l, gopro_error *err);

static gopro_status enter(scan *s, const level *l, kind k, const char *name, gopro_error *err)
{
    level in = *l;
    char *rel = gp_path_join(l->rel, name);
    if (!rel) return gp_fail_nomem(err, strlen(name), "a path");
    in.rel = rel;
    in.depth++;
    if (k == PARTS) in.part = gp_part_parse(name, strlen(name));
    if (k == DOMAINS) in.domain = name;
    gopro_status st = k == CLASSES ? read_class(s, &in, name, err) : descend(s, &in, err);
    free(rel);
    return st;
}

/* train and its synonyms before val and test, whatever the alphabet says. */
static gopro_status enter_parts(scan *s, const level *l, char **name, size_t n, gopro_error *err)
{
    s->source = GP_PART_TEST;
    for (size_t i = 0; i < n; i++)
        if (gp_part_parse(name[i], strlen(name[i])) == GP_PART_TRAIN) s->source = GP_PART_TRAIN;
    for (int p = 0; p < GP_PARTS; p++)
        for (size_t i = 0; i < n; i++)
            if (gp_part_parse(name[i], strlen(name[i])) == (gp_part)p) GP_TRY(enter(s, l, PARTS, name[i], err));
    return GOPRO_OK;
}

static gopro_status descend(scan *s, const level *l, gopro_error *err)
{
    char *folder = *l->rel ? gp_path_join(l->root, l->rel) : gp_strdup(l->root), **in = NULL, **file = NULL;
    size_t n_in = 0, n_file = 0, n = 0;
    if (!folder) return gp_fail_nomem(err, strlen(l->rel), "a path");
    kind k = CLASSES;
    gopro_status st = gp_list_apart(&in, &n_in, &file, &n_file, folder, err);
    for (size_t i = 0; i < n_in; i++) {
        if (ignored(s->plan, in[i]) || strcmp(in[i], "__MACOSX") == 0) continue; /* left by archives of macOS */
        char *keep = in[n];
        in[n++] = in[i];
        in[i] = keep;
    }
    if (st == GOPRO_OK && s->plan->levels) st = kind_of(&k, l, folder, in, n, err);
    if (st == GOPRO_OK && n > 0) st = check_beside(s, folder, file, n_file, err);
    if (st == GOPRO_OK && k == PARTS) {
        st = enter_parts(s, l, in, n, err);
    } else {
        for (size_t i = 0; i < n && st == GOPRO_OK; i++) st = enter(s, l, k, in[i], err);
    }
    gp_list_free(&in, n_in);
    gp_list_free(&file, n_file);
    free(folder);
    return st;
}

gopro_status gp_rows_from_folder(gp_rows *r, const char *root, const gp_folder_plan *p, gopro_error *err)
{
    scan s = {.r = r, .plan = p, .source = p->part};
    const level top = {.root = root, .rel = p->prefix ? p->prefix : "", .part = p->part};
    const size_t before = r->b->n_skipped;
    r->b->order = "file names sorted bytewise in every class folder";
    GP_TRY(descend(&s, &top, err));
    if (r->b->n_skipped > before)
        gp_logf(r->b->log, GP_LOG_WARN, "'%s': %zu files that are not images were skipped", root, r->b->n_skipped - before);
    return GOPRO_OK;
}
