"""Who answers for us: a program, its process, and what it has to say."""
