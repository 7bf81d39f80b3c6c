/* A ring of packets as wintun has them: one producer, one consumer, packets freed in any order. */
#ifndef WINTUN_RING_H
#define WINTUN_RING_H

#include "host.h"

#include <stddef.h>
#include <stdint.h>

#define PACKET_LIMIT 0xFFFFu

/* `busy`: still held by the application (received), or not yet given back by it (to be sent). */
typedef struct {
    uint32_t size, busy;
    uint8_t data[];
} SLOT;

/*
 * first ≤ middle ≤ last, modulo the capacity, which is a power of two.
 *   received:   first…middle is lent to the application, middle…last waits for it;
 *   to be sent: first…middle is ready to leave, middle…last is lent to the application.
 */
typedef struct {
    SRWLOCK lock;
    uint8_t *bytes;
    uint32_t capacity, first, middle, last;
} RING;

static inline SLOT *slot_at(const RING *ring, uint32_t at)
{
    return (SLOT *)(ring->bytes + at);
}

static inline SLOT *slot_of(const uint8_t *packet)
{
    return (SLOT *)(packet - offsetof(SLOT, data));
}

static inline uint32_t slot_length(uint32_t size)
{
    return ((uint32_t)sizeof(SLOT) + size + 7u) & ~7u;
}

static inline uint32_t after(const RING *ring, uint32_t at)
{
    return (at + slot_length(slot_at(ring, at)->size)) & (ring->capacity - 1);
}

/* Takes a slot at the end; NULL if the ring is full. A slot may run over the end of the capacity: see make_ring. */
static inline SLOT *append(RING *ring, uint32_t size)
{
    if (slot_length(size) > ((ring->first - ring->last - 8) & (ring->capacity - 1)))
        return NULL;
    SLOT *slot = slot_at(ring, ring->last);
    slot->size = size;
    slot->busy = 1;
    ring->last = after(ring, ring->last);
    return slot;
}

/* Moves `edge` over all slots up to `end` that nobody holds any more; whether it moved. */
static inline int advance(RING *ring, uint32_t *edge, uint32_t end)
{
    uint32_t before = *edge;
    while (*edge != end && !slot_at(ring, *edge)->busy)
        *edge = after(ring, *edge);
    return *edge != before;
}

static inline int make_ring(RING *ring, uint32_t capacity)
{
    InitializeSRWLock(&ring->lock);
    ring->capacity = capacity;
    ring->bytes = VirtualAlloc(NULL, capacity + sizeof(SLOT) + PACKET_LIMIT + 1, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    return ring->bytes != NULL;
}

static inline void free_ring(RING *ring)
{
    if (ring->bytes)
        VirtualFree(ring->bytes, 0, MEM_RELEASE);
}

#endif
