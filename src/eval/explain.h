/* explain.h - which words of the vocabulary lie nearest to the learnt context of a run.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_EXPLAIN_H
#define GP_EXPLAIN_H

#include "train/learner.h"

typedef struct gp_word {
    uint32_t id;
    char *text;     /* printable: bytes that are no UTF-8 as \xNN; without the mark of the word's end */
    bool ends_word; /* false: a beginning or middle of words */
    double distance, cosine;
} gp_word;

/* One learnt context token. */
typedef struct gp_context_words {
    const char *class_name; /* with class-specific contexts, else NULL */
    size_t token;           /* 0 .. M-1 */
    double norm, moved;     /* length; distance from where it started */
    char *start;            /* the word it started from; NULL: a random start */
    gp_word *nearest;       /* [top] by Euclidean distance, as CoOp reports them */
    gp_word *similar;       /* [top] by cosine */
} gp_context_words;

typedef struct gp_explanation {
    size_t M, top, n;
    gp_context_words *token; /* [n]: M, or M for each class */
    bool per_image;          /* every image adds a shift of its own to the tokens */
} gp_explanation;

/* class_name: with class-specific contexts the only class explained, or NULL.  INVALID if the method learns no context. */
gopro_status gp_explain(gp_explanation **e, const gp_learner *l, const char *class_name, size_t top, gopro_error *err);
void gp_explanation_free(gp_explanation **e);

#endif
