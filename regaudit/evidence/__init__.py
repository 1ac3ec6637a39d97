"""What a rule may know: numbers, graph, outputs, optimizer, facts about the training."""
