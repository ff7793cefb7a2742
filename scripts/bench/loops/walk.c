/* The least that a reader of a raw capture has to do: walk the headers, and measure how loud each frame is. */
#include "loops.h"

#include <fcntl.h>

enum { PIECE = 1 << 18, MAX_FRAME = HEADER + 65535 };

static struct {
    long frames, audio_bytes;
    int64_t energy, most; /* sums of squares: of all frames, and of the loudest one */
} seen;

/* The sum of squares of 16-bit samples, at any address. */
__attribute__((optimize("O3"))) static int64_t energy_of(const uint8_t *payload, int samples) {
    int64_t sum = 0;
    for (int i = 0; i < samples; i++) {
        int16_t sample;
        memcpy(&sample, payload + 2 * i, 2);
        sum += (int32_t)sample * sample;
    }
    return sum;
}

/* Walk whole frames. Returns the bytes that they take. */
static int walk_frames(const uint8_t *data, int size) {
    int at = 0;
    while (size - at >= HEADER) {
        int length = data[at + 1] << 8 | data[at + 2];
        if (size - at < HEADER + length) break;
        if (data[at] == KIND_AUDIO) {
            int64_t energy = energy_of(data + at + HEADER, length / 2);
            seen.energy += energy;
            if (energy > seen.most) seen.most = energy;
            seen.audio_bytes += length;
        }
        seen.frames++;
        at += HEADER + length;
    }
    return at;
}

int walk(const char *path) {
    static uint8_t data[MAX_FRAME + PIECE];
    int file = open(path, O_RDONLY), held = 0;
    if (file < 0) die(path);
    for (ssize_t size; (size = read(file, data + held, PIECE)) != 0;) {
        if (size < 0) die(path);
        int walked = walk_frames(data, held + size);
        held += size - walked;
        memmove(data, data + walked, held);
    }
    printf("{\"frames\": %ld, \"audio_bytes\": %ld, \"energy\": %lld, \"most\": %lld}\n", seen.frames, seen.audio_bytes,
           (long long)seen.energy, (long long)seen.most);
    return 0;
}
