/* A stand-in for Arduino's core, with what the examples use. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

#define OUTPUT 1
#define HIGH 1
#define LOW 0
#define LED_BUILTIN 13

void pinMode(int pin, int mode);
void digitalWrite(int pin, int value);
void delay(unsigned long milliseconds);
unsigned long micros();
unsigned long millis();

struct SerialPort {
    void begin(unsigned long baud);
    size_t print(const char *text);
    size_t print(char character);
    size_t print(long number);
    size_t print(unsigned long number);
    size_t print(double number, int digits = 2);
    size_t println(const char *text);
    operator bool();
};

extern SerialPort Serial;

#endif
