"""From a scheduled graph to C: geometry for the scheduler, records and tables for the compiler."""
