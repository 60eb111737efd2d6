import sys, shop
shop.later()
def no():
    import shop.never
print('ready', flush=True)
sys.stdin.read()
