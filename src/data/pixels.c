/* pixels.c - the test transform of a run of images, and the hashes of their files, on the pool.
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "base/sha256.h"
#include "data/bytes.h"
#include "data/loader.h"

typedef struct job {
    float *x;
    const char *root;
    const gp_item *item;
    const gp_view_config *c;
    pthread_mutex_t lock;
    size_t bad_at; /* the first bad image, whatever the threads did */
    gopro_status st;
    gopro_error err;
} job;

static gopro_status one_image(const job *j, size_t i, gopro_error *err)
{
    const size_t R = j->c->size;
    gp_image im = {0}, crop = {0};
    gopro_status st = gp_item_read_least(&im, j->root, &j->item[i], gp_view_test_least(j->c), err);
    if (st == GOPRO_OK && (st = gp_view_test(&crop, &im, j->c, err)) != GOPRO_OK)
        st = gp_fail_in(err, GOPRO_E_DATA, "image '%s/%s'", j->root, j->item[i].path);
    if (st == GOPRO_OK) gp_image_normalise(j->x + i * 3 * R * R, &crop, j->c->mean, j->c->std);
    gp_image_free(&im);
    gp_image_free(&crop);
    return st;
}

static void block(void *arg, size_t i, size_t worker)
{
    job *j = arg;
    gopro_error err = {0};
    (void)worker;
    gopro_status st = one_image(j, i, &err);
    if (st == GOPRO_OK) return;
    pthread_mutex_lock(&j->lock);
    if (i < j->bad_at) {
        j->bad_at = i;
        j->st = st;
        j->err = err;
    }
    pthread_mutex_unlock(&j->lock);
}

gopro_status gp_test_pixels(float *x, const char *root, const gp_item *item, size_t n, const gp_view_config *c, struct gp_pool *pool,
                            gopro_error *err)
{
    job j = {.x = x, .root = root, .item = item, .c = c, .bad_at = n};
    if (pthread_mutex_init(&j.lock, NULL) != 0) return gp_fail(err, GOPRO_E_NOMEM, "cannot create a lock");
    if (pool)
        gp_parallel_for(pool, n, block, &j);
    else
        for (size_t i = 0; i < n; i++) block(&j, i, 0);
    pthread_mutex_destroy(&j.lock);
    if (j.st != GOPRO_OK && err) *err = j.err;
    return j.st;
}

typedef struct id_job {
    gp_image_id *id;
    const char *root;
    const gp_item *item;
    bool *failed; /* [n] out of memory */
} id_job;

static void id_block(void *arg, size_t i, size_t worker)
{
    const id_job *j = arg;
    (void)worker;
    char *bytes = NULL;
    size_t size = 0;
    memset(&j->id[i], 0, sizeof j->id[i]);
    gopro_status st = gp_item_bytes(&bytes, &size, j->root, &j->item[i], NULL);
    if (st == GOPRO_OK) {
        gp_sha256 c;
        gp_sha256_init(&c);
        gp_sha256_add(&c, bytes, size);
        gp_sha256_end(&c, j->id[i].byte);
    }
    j->failed[i] = st == GOPRO_E_NOMEM;
    free(bytes);
}

gopro_status gp_image_ids(gp_image_id *id, const char *root, const gp_item *item, size_t n, struct gp_pool *pool, gopro_error *err)
{
    id_job j = {.id = id, .root = root, .item = item, .failed = calloc(n + 1, sizeof *j.failed)};
    bool failed = !j.failed;
    if (!failed && pool)
        gp_parallel_for(pool, n, id_block, &j);
    else
        for (size_t i = 0; !failed && i < n; i++) id_block(&j, i, 0);
    for (size_t i = 0; j.failed && i < n; i++) failed = failed || j.failed[i];
    free(j.failed);
    return failed ? gp_fail_nomem(err, n, "the hashes of images") : GOPRO_OK;
}
