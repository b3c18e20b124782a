/* check.h - whether a dataset is what it should be: files, counts, names, split, draws, images; each finding says what to do.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_CHECK_H
#define GP_CHECK_H

#include "data/dataset.h"

typedef enum gp_finding_kind { GP_FOUND_OK, GP_FOUND_NOTE, GP_FOUND_FAULT, GP_FOUND_FILE } gp_finding_kind;
/* FILE: one missing or unreadable image, told before the FAULT that counts them. */
typedef struct gp_check_sink {
    void (*tell)(void *user, gp_finding_kind kind, const char *text);
    bool (*cancelled)(void *user); /* may be NULL */
    void *user;
} gp_check_sink;

typedef struct gp_check_request {
    size_t name_limit; /* missing or unreadable files told one by one; 0: all */
    size_t sample;     /* images decoded, spread over the lists; SIZE_MAX: all; 0: none */
    size_t threads;    /* 0: one per processor */
    bool skip_bad;     /* data.skip_bad is set */
} gp_check_request;

typedef struct gp_check_result {
    size_t faults, missing, unreadable, decoded;
    char class_hash[65], split_hash[65];
} gp_check_result;

gopro_status gp_data_check(gp_check_result *r, const gp_dataset *d, const gp_check_request *q, const gp_check_sink *sink, gopro_error *err);

#endif
