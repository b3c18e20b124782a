/* select.h - which epoch of a training is kept (option select): the last, the best on validation images, or, to measure what that leaks,
 * the best on the test images. SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_SELECT_H
#define GP_SELECT_H

#include "eval/evaluate.h"
#include "train/train.h"

typedef struct gp_selection {
    gp_selector selector; /* for the training job */
    gp_learner *l;
    const gp_dataset *data;
    const gp_labelset *labels;
    const char *cache;
    const gp_testset *test; /* borrowed test images for best_test; NULL: own */
    gp_testset own;         /* validation or test images, opened when needed */
    gp_watch quiet;         /* hears the wish to stop, shows no progress of its own */
} gp_selection;

/* How the kept epoch was chosen, in words: "last epoch"; best_test says that it is a leak. */
const char *gp_select_words(const char *select);

/* By option select, "best_val" or "best_test".  test: the dataset's test images, if they are open with features that do not depend on the
 * learner, else NULL; what is given is borrowed, and s must stay where it is.  DATA error without validation images. */
gopro_status gp_selection_open(gp_selection *s, gp_learner *l, const gp_dataset *d, const gp_labelset *labels, const gp_testset *test,
                               const char *cache, const gp_watch *w, gopro_error *err);
void gp_selection_close(gp_selection *s);

#endif
