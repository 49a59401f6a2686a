/* A stand-in for Mbed OS, with what the example uses; without <chrono>, which a cross compiler may lack. */
#pragma GCC system_header
#include <stddef.h>
#include <stdint.h>

struct Duration {
    long long microseconds;
    long long count() const;
};

constexpr Duration operator""s(unsigned long long seconds)
{
    return Duration{static_cast<long long>(seconds) * 1000000};
}

enum PinName { USBTX, USBRX };

struct BufferedSerial {
    BufferedSerial(PinName tx, PinName rx, int baud);
    long write(const void *data, size_t bytes);
};

struct Timer {
    void start();
    Duration elapsed_time() const;
};

namespace ThisThread {
void sleep_for(Duration duration);
}
