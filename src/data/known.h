/* known.h - the field's fifteen datasets as a table: where their images lie, what their lists hold, how their prompts read
 * (DATASETS.md 1, 2, 7, 8).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_KNOWN_H
#define GP_KNOWN_H

#include "data/dataset.h"

typedef enum gp_layout {
    GP_LAYOUT_SPLIT,    /* a published split file; without it, for some, folders split by a shuffle */
    GP_LAYOUT_IMAGENET, /* wnid folders under train and val, classnames.txt */
    GP_LAYOUT_LISTS,    /* variants.txt and images_variant_{train,val,test}.txt */
    GP_LAYOUT_WNID,     /* wnid folders, test only, classnames.txt */
    GP_LAYOUT_NUMBERED  /* folders 0, 1, 2, ..., test only, classnames.txt */
} gp_layout;

#define GP_KNOWN_SEEDS 3

typedef struct gp_known {
    const char *name, *title, *folder;
    const char *images; /* folder of the images, below folder; "" for folder itself */
    const char *sign;   /* of images "": a folder below that is there if they are; else NULL */
    const char *split;  /* split file, or NULL */
    const char *template_text;
    bool template_not_in_7; /* the ensemble of 7 goes without it */
    gp_layout layout;
    bool folder_per_class;           /* can be split without its split file, for numbers that compare with nobody's */
    size_t classes, n[3], base_test; /* n: train, val, test; base_test: test images of base classes; 0: not published */
    const char *last_base, *first_new;
    const char *class_hash, *split_hash;        /* first 16 digits, or NULL where they are not known to us */
    const char *fingerprint[2][GP_KNOWN_SEEDS]; /* of the 16-shot draws of train and val, seeds 1 to 3; NULL: not published */
    const char *const *ignore;                  /* folders, up to a NULL */
    const char *const (*renames)[2];            /* folder and class name, up to a NULL */
    const char *trap;                           /* what goes wrong most often, in a sentence */
} gp_known;

extern const gp_known gp_known_datasets[];
extern const size_t gp_n_known;

const gp_known *gp_known_by_name(const char *name); /* config name or title, NULL if none */
/* By a folder on disk: its split file, or its name together with its image folder or lists; NULL if none. */
const gp_known *gp_known_by_folder(const char *path);
/* malloc'ed folder of the images */
char *gp_known_images(const gp_known *k, const char *folder);

#endif
