"""The vocabulary: messages, notices, failures, ids, phones, alphabets. Plain data, no I/O."""
