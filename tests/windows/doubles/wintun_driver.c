/*
 * The two threads of a session that stand for the driver.
 *
 * On the connection each packet follows its length, two bytes, the lower one first. A length of 0 from the host
 * precedes an order, one byte.
 */
#include "wintun_session.h"

#include <stdlib.h>

/* What goes over the connection at a time: the longest packet at the least. */
#define BATCH 131072

enum { ORDER_REMOVED = 1, ORDER_STALL = 2, ORDER_GO_ON = 3 };

static void end(SESSION *session)
{
    if (!InterlockedExchange(&session->ended, 1) && !session->stopping)
        say(1, L"Adapter %hs has been removed", session->adapter->name);
    SetEvent(session->readable);
}

static void obey(SESSION *session, uint8_t order)
{
    if (order == ORDER_REMOVED)
        end(session);
    else if (order == ORDER_STALL || order == ORDER_GO_ON) {
        AcquireSRWLockExclusive(&session->sent.lock);
        session->stalled = order == ORDER_STALL;
        ReleaseSRWLockExclusive(&session->sent.lock);
        WakeConditionVariable(&session->ready);
    }
}

/* Takes the whole packets from `bytes`, and returns what it has used of them. */
static uint32_t take(SESSION *session, const uint8_t *bytes, uint32_t length)
{
    uint32_t at = 0, size;
    while (length - at >= 3) {
        size = bytes[at] | bytes[at + 1] << 8;
        if (size == 0) {
            obey(session, bytes[at + 2]);
            at += 3;
            continue;
        }
        if (length - at < 2 + size)
            break;
        AcquireSRWLockExclusive(&session->received.lock);
        SLOT *slot = append(&session->received, size);
        if (slot)
            memcpy(slot->data, bytes + at + 2, size);
        ReleaseSRWLockExclusive(&session->received.lock);
        if (!slot)
            session->dropped++;
        at += 2 + size;
    }
    return at;
}

DWORD WINAPI receive(void *parameter)
{
    SESSION *session = parameter;
    uint8_t *bytes = malloc(BATCH);
    uint32_t have = 0;
    int n;
    while (bytes && (n = recv(session->host, (char *)bytes + have, BATCH - (int)have, 0)) > 0) {
        have += n;
        uint32_t used = take(session, bytes, have);
        have -= used;
        memmove(bytes, bytes + used, have);
        SetEvent(session->readable);
    }
    free(bytes);
    end(session);
    return 0;
}

/* Whether the driver would take it; it drops what is no IP packet. */
static int is_packet(const SLOT *slot)
{
    int version = slot->size ? slot->data[0] >> 4 : 0;
    return (version == 4 && slot->size >= 20) || (version == 6 && slot->size >= 40);
}

/* Copies what is ready to leave, as far as it fits; returns where it ends in the ring, and the length. */
static uint32_t gather(const SESSION *session, uint32_t end, uint8_t *bytes, int *length)
{
    const RING *ring = &session->sent;
    uint32_t at = ring->first;
    *length = 0;
    while (at != end && *length + 2 + slot_at(ring, at)->size <= BATCH) {
        const SLOT *slot = slot_at(ring, at);
        if (is_packet(slot)) {
            bytes[*length] = (uint8_t)slot->size;
            bytes[*length + 1] = (uint8_t)(slot->size >> 8);
            memcpy(bytes + *length + 2, slot->data, slot->size);
            *length += 2 + (int)slot->size;
        }
        at = after(ring, at);
    }
    return at;
}

DWORD WINAPI deliver(void *parameter)
{
    SESSION *session = parameter;
    RING *ring = &session->sent;
    uint8_t *bytes = malloc(BATCH);
    AcquireSRWLockExclusive(&ring->lock);
    while (bytes && !session->stopping) {
        if (session->stalled || ring->first == ring->middle) {
            SleepConditionVariableSRW(&session->ready, &ring->lock, INFINITE, 0);
            continue;
        }
        uint32_t ready = ring->middle;
        ReleaseSRWLockExclusive(&ring->lock);
        int length;
        uint32_t gone = gather(session, ready, bytes, &length);
        if (length)
            send(session->host, (char *)bytes, length, 0);
        AcquireSRWLockExclusive(&ring->lock);
        ring->first = gone;
    }
    ReleaseSRWLockExclusive(&ring->lock);
    free(bytes);
    return 0;
}
