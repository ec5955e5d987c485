"""Pure decisions: no asyncio, no clock, no random, no logging, no client."""
