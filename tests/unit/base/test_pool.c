/* test_pool.c - every block runs once, at any number of threads, loop after loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"

#define MAX_BLOCKS 1000

typedef struct job {
    atomic_int count[MAX_BLOCKS];
    atomic_int inside[8]; /* per worker: never two calls of one worker at a time */
    atomic_int bad;
    size_t n_workers;
    bool slow;
} job;

static void count_block(void *arg, size_t block, size_t worker)
{
    job *j = arg;
    if (worker >= j->n_workers || atomic_fetch_add(&j->inside[worker], 1) != 0) atomic_store(&j->bad, 1);
    atomic_fetch_add(&j->count[block], 1);
    if (j->slow) nanosleep(&(struct timespec){0, 200000}, NULL);
    atomic_fetch_sub(&j->inside[worker], 1);
}

static void run_all(size_t n_threads)
{
    gp_pool *p;
    gopro_error err;
    assert_int_equal(gp_pool_create(&p, n_threads, &err), GOPRO_OK);
    assert_int_equal(gp_pool_size(p), n_threads);
    static const size_t sizes[] = {0, 1, 2, 3, 17, MAX_BLOCKS};
    job *j = calloc(1, sizeof *j);
    j->n_workers = n_threads;
    for (int round = 0; round < 300; round++) {
        size_t n = sizes[(size_t)round % GP_COUNT(sizes)];
        memset(j->count, 0, sizeof j->count);
        if (round % 50 == 49) nanosleep(&(struct timespec){0, 300000}, NULL); /* let the workers fall asleep */
        j->slow = round < 5;
        gp_parallel_for(p, n, count_block, j);
        for (size_t i = 0; i < MAX_BLOCKS; i++) assert_int_equal(atomic_load(&j->count[i]), i < n);
    }
    assert_int_equal(atomic_load(&j->bad), 0);
    free(j);
    gp_pool_free(&p);
    assert_null(p);
    gp_pool_free(&p);
}

/* Which worker would be asked about a fault of its own, and which about Ctrl-C. */
typedef struct signals {
    atomic_int seen[2], fault_blocked, stop_blocked[2];
} signals;

static void look_at_signals(void *arg, size_t block, size_t worker)
{
    signals *s = arg;
    sigset_t now;
    (void)block;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    atomic_fetch_add(&s->fault_blocked, sigismember(&now, SIGBUS) || sigismember(&now, SIGSEGV));
    atomic_store(&s->stop_blocked[worker], sigismember(&now, SIGINT));
    atomic_fetch_add(&s->seen[worker], 1);
    for (int i = 0; i < 2000 && atomic_load(&s->seen[1 - worker]) == 0; i++) nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void test_signals(void **state)
{
    (void)state;
    gp_pool *p;
    signals s = {0};
    gopro_error err;
    assert_int_equal(gp_pool_create(&p, 2, &err), GOPRO_OK);
    gp_parallel_for(p, 2, look_at_signals, &s);
    assert_int_equal(atomic_load(&s.seen[0]), 1);
    assert_int_equal(atomic_load(&s.seen[1]), 1);
    assert_int_equal(atomic_load(&s.fault_blocked), 0);
    assert_int_equal(atomic_load(&s.stop_blocked[0]), 0);
    assert_int_equal(atomic_load(&s.stop_blocked[1]), 1);
    gp_pool_free(&p);
}

static void test_one_thread(void **state)
{
    (void)state;
    run_all(1);
}

static void test_two_threads(void **state)
{
    (void)state;
    run_all(2);
}

static void test_four_threads(void **state)
{
    (void)state;
    run_all(4);
}

static void note_worker(void *arg, size_t block, size_t worker)
{
    atomic_int *seen = arg;
    (void)block;
    atomic_store(&seen[worker], 1);
    nanosleep(&(struct timespec){0, 5000000}, NULL);
}

static void test_workers_take_part(void **state)
{
    (void)state;
    gp_pool *p;
    atomic_int seen[2] = {0, 0};
    assert_int_equal(gp_pool_create(&p, 2, NULL), GOPRO_OK);
    gp_parallel_for(p, 16, note_worker, seen);
    assert_int_equal(atomic_load(&seen[0]), 1);
    assert_int_equal(atomic_load(&seen[1]), 1);
    gp_pool_free(&p);
}

typedef struct meeting {
    atomic_int started, finished;
} meeting;

/* Both blocks begin before either goes on, so each has a worker of its own; the one that is not the caller's ends late. */
static void meet(void *arg, size_t block, size_t worker)
{
    meeting *m = arg;
    (void)block;
    atomic_fetch_add(&m->started, 1);
    for (int i = 0; i < 20000 && atomic_load(&m->started) < 2; i++) nanosleep(&(struct timespec){0, 100000}, NULL);
    if (worker) nanosleep(&(struct timespec){0, 20000000}, NULL);
    atomic_fetch_add(&m->finished, 1);
}

static void test_waits_for_the_last_block(void **state)
{
    (void)state;
    gp_pool *p;
    assert_int_equal(gp_pool_create(&p, 2, NULL), GOPRO_OK);
    for (int i = 0; i < 5; i++) {
        meeting m = {0, 0};
        gp_parallel_for(p, 2, meet, &m);
        assert_int_equal(atomic_load(&m.finished), 2);
    }
    gp_pool_free(&p);
}

static void test_default_and_limits(void **state)
{
    (void)state;
    gp_pool *p;
    gopro_error err;
    assert_int_equal(gp_pool_create(&p, 0, &err), GOPRO_OK);
    assert_true(gp_pool_size(p) >= 1);
    gp_pool_free(&p);
    assert_int_equal(gp_pool_create(&p, 1000000, &err), GOPRO_E_INVALID);
    assert_null(p);
    assert_int_equal(gp_pool_size(NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread),
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_four_threads),
        cmocka_unit_test(test_workers_take_part),
        cmocka_unit_test(test_waits_for_the_last_block),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_default_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
