"""The SDK's own client against real servers in processes of their own, over each transport and in both eras."""
