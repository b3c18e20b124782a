/* pool.c - threads that sleep between parallel loops.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 1024
#define SPIN_NS     20000 /* loops follow each other closely inside a step: sleeping at once would cost more than the loop */

struct gp_pool {
    size_t n; /* threads with the caller */
    pthread_t *thread;
    size_t n_started;
    pthread_mutex_t mutex;
    pthread_cond_t start, done;
    atomic_uint_fast64_t generation; /* one more for every loop; changed under the mutex */
    atomic_size_t active;            /* workers inside the open loop; changed under the mutex */
    bool open, stop;                 /* under the mutex */
    atomic_bool stopping;            /* the same as stop, for spinning */
    size_t n_sleeping;
    gp_pool_fn *fn;
    void *arg;
    size_t n_blocks;
    atomic_size_t next;
};

typedef struct worker_arg {
    gp_pool *pool;
    size_t index;
} worker_arg;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void run_blocks(gp_pool *p, size_t worker)
{
    for (;;) {
        size_t b = atomic_fetch_add(&p->next, 1);
        if (b >= p->n_blocks) return;
        p->fn(p->arg, b, worker);
    }
}

static void spin_for_work(gp_pool *p, uint_fast64_t seen)
{
    int64_t end = now_ns() + SPIN_NS;
    do {
        for (int i = 0; i < 64; i++) {
            if (atomic_load(&p->generation) != seen || atomic_load(&p->stopping)) return;
            relax();
        }
    } while (now_ns() < end);
}

/* A worker joins a loop only while it is open, so one that wakes late holds nobody up. */
static void *worker_main(void *arg)
{
    worker_arg w = *(worker_arg *)arg;
    free(arg);
    gp_pool *p = w.pool;
    uint_fast64_t seen = 0;
    for (;;) {
        spin_for_work(p, seen);
        pthread_mutex_lock(&p->mutex);
        while (!p->stop && atomic_load(&p->generation) == seen) {
            p->n_sleeping++;
            pthread_cond_wait(&p->start, &p->mutex);
            p->n_sleeping--;
        }
        if (p->stop) break;
        seen = atomic_load(&p->generation);
        bool join = p->open;
        if (join) atomic_fetch_add(&p->active, 1);
        pthread_mutex_unlock(&p->mutex);
        if (!join) continue;
        run_blocks(p, w.index);
        pthread_mutex_lock(&p->mutex);
        if (atomic_fetch_sub(&p->active, 1) == 1 && !p->open) pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static size_t online_processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return (size_t)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}

static gopro_status start_workers(gp_pool *p, gopro_error *err)
{
    /* Signals go to the program's own threads; a fault is the thread's that made it, and while it is blocked no handler is asked. */
    static const int fault[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < GP_COUNT(fault); i++) sigdelset(&all, fault[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    gopro_status st = GOPRO_OK;
    for (size_t i = 1; i < p->n && st == GOPRO_OK; i++) {
        worker_arg *w = malloc(sizeof *w);
        if (!w) {
            st = gp_fail_nomem(err, sizeof *w, "a thread");
            break;
        }
        *w = (worker_arg){p, i};
        int e = pthread_create(&p->thread[p->n_started], NULL, worker_main, w);
        if (e) {
            free(w);
            st = gp_fail(err, GOPRO_E_IO, "could not start thread %zu of %zu: %s", i + 1, p->n, strerror(e));
        } else {
            p->n_started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return st;
}

gopro_status gp_pool_create(gp_pool **out, size_t n_threads, gopro_error *err)
{
    *out = NULL;
    if (n_threads > MAX_THREADS)
        return gp_fail(err, GOPRO_E_INVALID, "%zu threads asked for, at most %d; 0 takes one per processor", n_threads, MAX_THREADS);
    gp_pool *p = calloc(1, sizeof *p);
    if (!p) return gp_fail_nomem(err, sizeof *p, "the thread pool");
    p->n = n_threads ? n_threads : gp_min_size(online_processors(), MAX_THREADS);
    p->thread = calloc(p->n, sizeof *p->thread);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->done, NULL);
    gopro_status st = p->thread ? start_workers(p, err) : gp_fail_nomem(err, p->n * sizeof *p->thread, "the thread pool");
    if (st != GOPRO_OK)
        gp_pool_free(&p);
    else
        *out = p;
    return st;
}

void gp_pool_free(gp_pool **pp)
{
    if (!pp || !*pp) return;
    gp_pool *p = *pp;
    pthread_mutex_lock(&p->mutex);
    p->stop = true;
    atomic_store(&p->stopping, true);
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->mutex);
    for (size_t i = 0; i < p->n_started; i++) pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->start);
    pthread_mutex_destroy(&p->mutex);
    free(p->thread);
    free(p);
    *pp = NULL;
}

size_t gp_pool_size(const gp_pool *p)
{
    return p ? p->n : 1;
}

static void wait_for_workers(gp_pool *p)
{
    int64_t end = now_ns() + SPIN_NS;
    while (atomic_load(&p->active) && now_ns() < end) relax();
    pthread_mutex_lock(&p->mutex);
    while (atomic_load(&p->active)) pthread_cond_wait(&p->done, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
}

void gp_parallel_for(gp_pool *p, size_t n_blocks, gp_pool_fn *fn, void *arg)
{
    if (!p || p->n == 1 || n_blocks <= 1) {
        for (size_t b = 0; b < n_blocks; b++) fn(arg, b, 0);
        return;
    }
    pthread_mutex_lock(&p->mutex);
    p->fn = fn;
    p->arg = arg;
    p->n_blocks = n_blocks;
    atomic_store(&p->next, 0);
    p->open = true;
    atomic_fetch_add(&p->generation, 1);
    if (p->n_sleeping) {
        if (n_blocks - 1 >= p->n_sleeping)
            pthread_cond_broadcast(&p->start);
        else
            for (size_t i = 1; i < n_blocks; i++) pthread_cond_signal(&p->start);
    }
    pthread_mutex_unlock(&p->mutex);

    run_blocks(p, 0);

    pthread_mutex_lock(&p->mutex);
    p->open = false;
    bool busy = atomic_load(&p->active) != 0;
    pthread_mutex_unlock(&p->mutex);
    if (busy) wait_for_workers(p);
}
