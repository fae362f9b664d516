"""What WeChat's official accounts and WeCom share: ciphers, pushes, API calls, tokens, media."""
