/* draw_pickle.h - few-shot draws as CoOp and the projects built on it keep them: split_fewshot/shot_K-seed_S.pkl.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_DRAW_PICKLE_H
#define GP_DRAW_PICKLE_H

#include "base/error.h"

/* One image of the draw; label < 0 or name NULL: not said.  What it returns other than OK ends the reading. */
typedef gopro_status gp_draw_entry_fn(void *arg, int part, const char *path, long long label, const char *name, gopro_error *err);

/* A pickle of {"train": [...], "val": [...]} whose entries are objects of a class named Datum (or dictionaries) with _impath, _label and
 * _classname.  Read as data, see base/pickle.h: no module is looked for and nothing is called. */
gopro_status gp_draw_from_pickle(const void *data, size_t size, const char *what, gp_draw_entry_fn *entry, void *arg, gopro_error *err);

#endif
