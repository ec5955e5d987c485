"""What runs in the worker processes: reads tables and seeds, trains, writes audiences."""
