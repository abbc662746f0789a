/* The same on a bare Cortex-M: images and answers are files of the emulator's host, reached by
 * semihosting. After the answers come the ticks that the network took; a tick of the timer of the
 * MPS2 board is 40 ns, which is 40 instructions where the emulator counts one a nanosecond.
 * Source: Arm, "Semihosting for AArch32 and AArch64"; "Cortex-M System Design Kit", the APB timer. */
#include <stddef.h>

#include NETWORK_FILE

enum { OPEN = 1, WRITE = 5, READ = 6, EXIT = 0x18, READ_BINARY = 1, WRITE_BINARY = 5 };
#define TIMER ((volatile uint32_t *)0x40000000)

static uint8_t pixels[PIXELS];
static float answers[ANSWERS];
extern uint32_t stack_end, data_begin, data_end, data_stored, bss_begin, bss_end;

static int ask(int what, const void *argument) {
    register int r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static int opened(const char *name, size_t length, int mode) {
    const uintptr_t block[3] = {(uintptr_t)name, (uintptr_t)mode, length};
    return ask(OPEN, block);
}

/* How many of the bytes were NOT moved. */
static int moved(int what, int file, void *bytes, size_t count) {
    const uintptr_t block[3] = {(uintptr_t)file, (uintptr_t)bytes, count};
    return ask(what, block);
}

void reset(void) {
    for (uint32_t *from = &data_stored, *to = &data_begin; to < &data_end;)
        *to++ = *from++;
    for (uint32_t *to = &bss_begin; to < &bss_end;)
        *to++ = 0;
    const int in = opened("pixels.bin", 10, READ_BINARY);
    const int out = opened("answers.bin", 11, WRITE_BINARY);
    uint32_t ticks = 0;
    TIMER[2] = 0xFFFFFFFF; /* it counts down from here */
    TIMER[1] = 0xFFFFFFFF;
    TIMER[0] = 1;
    while (moved(READ, in, pixels, sizeof pixels) == 0) {
        const uint32_t before = TIMER[1];
        RUN(CALL);
        ticks += before - TIMER[1];
        moved(WRITE, out, answers, sizeof answers);
    }
    moved(WRITE, out, &ticks, sizeof ticks);
    ask(EXIT, (const void *)0x20026); /* ended as it should */
    for (;;) {
    }
}

static const struct {
    const uint32_t *stack;
    void (*first)(void);
} vectors __attribute__((section(".vectors"), used)) = {&stack_end, reset};
