/* Reads images from a file, runs the network on each, writes the answers: on a computer or under a
 * user-mode emulator. NETWORK_FILE, RUN, PIXELS, ANSWERS and CALL are given by the compiler. */
#include <stdio.h>

#include NETWORK_FILE

static uint8_t pixels[PIXELS];
static float answers[ANSWERS];

int main(void) {
    while (fread(pixels, 1, sizeof pixels, stdin) == sizeof pixels) {
        RUN(CALL);
        if (fwrite(answers, 1, sizeof answers, stdout) != sizeof answers)
            return 1;
    }
    return 0;
}
