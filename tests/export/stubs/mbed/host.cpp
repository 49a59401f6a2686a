// What the example calls, on this machine, where one round is enough.
#include "mbed.h"

#include <stdio.h>
#include <stdlib.h>

long long Duration::count() const
{
    return microseconds;
}

BufferedSerial::BufferedSerial(PinName, PinName, int) {}

long BufferedSerial::write(const void *data, size_t bytes)
{
    return static_cast<long>(fwrite(data, 1, bytes, stdout));
}

void Timer::start() {}

Duration Timer::elapsed_time() const
{
    return Duration{0};
}

void ThisThread::sleep_for(Duration)
{
    exit(0);
}
